// Answers of the API; each interface names the Python model that it mirrors, field by field of what
// is used here. tests/unit/api/test_web_types.py compares them.

/** api.models.base.Page */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** api.models.transients.AlertName */
export interface AlertName {
  id: number;
  ivorn: string;
  alert_type: string;
}

/** api.models.transients.TransientItem */
export interface Transient {
  id: number;
  source_id: number;
  trig_id: string;
  kind: string;
  n_episodes: number;
  trigger: string;
  trigger_sigma: number | null;
  state: string;
  retracted_because: string | null;
  certainty: string;
  ra: number;
  dec: number;
  time_start: string;
  time_end: string | null;
  time_detected: string;
  flux_peak_jy_beam: number | null;
  snr: number | null;
  flux_expected_jy_beam: number | null;
  flux_expected_err_jy_beam: number | null;
  rate_arcsec_s: number | null;
  direction_deg: number | null;
  eta: number | null;
  v: number | null;
  n_datapoints: number;
  n_forced: number;
  stream: string;
  alerts: AlertName[];
}

/** api.models.sources.BandStatistics */
export interface BandStatistics {
  freq_eff_hz: number;
  stokes: string;
  n_datapoints: number;
  n_forced: number;
  flux_int_mean_jy: number | null;
  flux_int_max_jy: number | null;
  eta: number | null;
  v: number | null;
  flux_int_wmean_jy: number | null;
  flux_int_wmean_err_jy: number | null;
}

/** api.models.sources.SourceDetail */
export interface Source {
  id: number;
  parent_source_id: number | null;
  stream: string;
  ra: number;
  dec: number;
  ra_err_deg: number | null;
  dec_err_deg: number | null;
  n_datapoints: number;
  n_forced: number;
  eta: number | null;
  v: number | null;
  eta_blind: number | null;
  v_blind: number | null;
  snr_max: number | null;
  first_time_start: string;
  last_time_start: string;
  is_new: boolean;
  is_variable: boolean;
  spectral_index: number | null;
  spectral_index_err: number | null;
  bands: BandStatistics[];
}

/** api.models.lightcurves.LightCurvePoint */
export interface Point {
  time_start: string;
  exposure_s: number | null;
  freq_eff_hz: number;
  stokes: string;
  flux_int_jy: number | null;
  flux_int_err_jy: number | null;
  flux_peak_jy_beam: number | null;
  flux_peak_err_jy_beam: number | null;
  snr: number | null;
  ra: number;
  dec: number;
  extraction_type: string;
  quality_flags: number;
  image_id: string;
}

/** api.models.lightcurves.LightCurve */
export interface LightCurve {
  source_id: number;
  points: Point[];
  next: string | null;
}

/** api.models.images.ImageItem */
export interface Image {
  id: number;
  image_id: string;
  stream: string;
  verdict: string;
  reasons: string[];
  reason_text: string | null;
  warnings: string[];
  time_start: string | null;
  exposure_s: number | null;
  freq_eff_hz: number | null;
  freq_bw_hz: number | null;
  stokes: string | null;
  beam_major_deg: number | null;
  beam_minor_deg: number | null;
  beam_pa_deg: number | null;
  field_ra: number | null;
  field_dec: number | null;
  field_radius_deg: number | null;
  width_px: number | null;
  height_px: number | null;
  telescope: string | null;
  rms_jy_beam: number | null;
  n_sources: number;
  is_late: boolean;
  shift_status: string | null;
  shift_east_arcsec: number | null;
  shift_north_arcsec: number | null;
  shift_err_arcsec: number | null;
  is_shift_applied: boolean;
  flux_status: string | null;
  flux_factor: number | null;
  flux_factor_err: number | null;
  is_flux_factor_applied: boolean;
  time_sent: string | null;
  time_appended: string | null;
  time_associated: string;
}

/** api.models.observations.ImageDetectionItem */
export interface Detection {
  source_id: number;
  source_number: number;
  extraction_type: string;
  ra: number;
  dec: number;
  ra_err_deg: number | null;
  dec_err_deg: number | null;
  source_ra: number | null;
  source_dec: number | null;
  flux_peak_jy_beam: number | null;
  flux_peak_err_jy_beam: number | null;
  flux_int_jy: number | null;
  flux_int_err_jy: number | null;
  snr: number | null;
  major_arcsec: number | null;
  minor_arcsec: number | null;
  pa_deg: number | null;
}

/** api.models.observations.RmsGrid */
export interface RmsGrid {
  width_px: number | null;
  height_px: number | null;
  margin_px: number | null;
  cell_px: number | null;
  wcs_header: string | null;
  rms_jy_beam: (number | null)[][];
}

/** api.models.observations.GapItem */
export interface Gap {
  id: number;
  image_id: string;
  time_start: string | null;
  freq_eff_hz: number | null;
  stokes: string | null;
  reason: string;
}

/** api.models.stamps.StampItem */
export interface StoredStamp {
  id: string;
  role: string;
  trig_id: string;
  image: number | null;
  time_start: string | null;
  state: string;
  reason: string | null;
  fits: string | null;
  png: string | null;
}

/** api.models.observations.CoverageItem */
export interface CoverageCell {
  cell: number;
  image: number;
  rms_jy_beam: number;
  freq_eff_hz: number;
  stokes: string;
}

/** api.models.observations.LookItem */
export interface Look {
  id: number;
  image_id: string;
  time_start: string;
  exposure_s: number | null;
  freq_eff_hz: number | null;
  stokes: string | null;
  rms_local_jy_beam: number;
  limit_jy_beam: number | null;
  is_searched: boolean;
}

/** api.models.observations.StreamItem */
export interface Stream {
  id: number;
  name: string;
  first_time_start: string | null;
  last_time_start: string | null;
  closed_until: string | null;
  systematic_position_error_deg: number;
  n_images: number;
  n_rejected: number;
}

/** api.models.observations.BandItem */
export interface Band {
  id: number;
  stream: string;
  freq_eff_hz: number;
  freq_bw_hz: number;
  stokes: string[];
  last_time_start: string | null;
}

/** api.models.alerts.AlertItem */
export interface Alert {
  id: number;
  ivorn: string;
  trig_id: string;
  alert_type: string;
  role: string;
  kind: string;
  state: string;
  stream: string;
  transient_id: number | null;
  source_id: number | null;
  ra: number;
  dec: number;
  snr: number | null;
  flux_peak_jy_beam: number | null;
  time_start: string;
  time_alert: string;
  latency_s: number | null;
}

/** api.models.alerts.DeliveryItem */
export interface Delivery {
  channel: string;
  subscriber: string;
  time_handed: string;
  time_acknowledged: string | null;
}

/** api.models.annotations.Tag */
export interface Tag {
  id: number;
  tag: string;
  actor: string;
  time_created: string;
}

/** api.models.annotations.Classification */
export interface Classification {
  id: number;
  classification: string;
  probability: number | null;
  origin: string;
  note: string;
  actor: string;
  time_created: string;
}

/** api.models.annotations.Comment */
export interface Comment {
  id: number;
  body: string;
  actor: string;
  time_created: string;
}

/** api.models.annotations.Annotations */
export interface Annotations {
  tags: Tag[];
  classifications: Classification[];
  comments: Comment[];
}

/** api.models.sources.RelatedSource */
export interface Related {
  id: number;
  relations: string[];
  separation_arcsec: number;
  n_datapoints: number;
  eta: number | null;
  v: number | null;
}

/** api.models.references.ReferenceCatalogue */
export interface ReferenceCatalogue {
  name: string;
  n_sources: number;
}

/** api.models.references.CompletenessBin */
export interface CompletenessBin {
  flux_min_jy: number;
  flux_max_jy: number;
  n_injected: number;
  n_found: number;
}

/** api.models.references.ReferenceSource */
export interface Reference {
  catalogue: string;
  name: string | null;
  separation_arcsec: number;
  flux_jy: number | null;
}

/** api.models.search.Found */
export interface Found {
  kind: string;
  id: string;
  label: string;
}

/** api.models.search.SearchResult */
export interface SearchResult {
  position: { ra: number; dec: number } | null;
  items: Found[];
}

/** api.models.subscriptions.Subscription */
export interface Subscription {
  name: string;
  owner: string;
  rule: string;
  channel: string;
  target: string;
  stamps: boolean;
  n_delivered: number;
  n_failures: number;
  n_refusals: number;
  failure_reason: string | null;
  disabled_reason: string | null;
  warnings: string[];
}

/** api.models.subscriptions.DryRun */
export interface DryRun {
  days: number;
  n_alerts: number;
  n_wanted: number;
  is_complete: boolean;
  n_wanted_by_kind: Record<string, number>;
  newest: string[];
  warnings: string[];
}
