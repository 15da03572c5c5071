// Answers of the API about the service itself; as in types.ts.

/** api.models.operations.QualityBounds */
export interface QualityBounds {
  rms_min_jy_beam: number | null;
  rms_max_jy_beam: number | null;
  rms_history_images: number;
  rms_history_sigma: number;
}

/** api.models.operations.ServiceItem */
export interface Service {
  name: string;
  state: string;
  is_down: boolean;
  down_since: string | null;
  n_exits: number;
  last_exit: string | null;
  next_start: string | null;
  log_lines_dropped: number;
}

/** api.models.operations.Services */
export interface Services {
  items: Service[];
}

/** api.models.operations.StreamLedger */
export interface StreamLedger {
  stream: string;
  outcomes: Record<string, number>;
}

/** api.models.rules.RuleItem */
export interface Rule {
  name: string;
  n_alerts: number;
  time_last_alert: string;
}

/** api.models.operations.Ledger */
export interface Ledger {
  total: number;
  outcomes: Record<string, number>;
  reasons: Record<string, number>;
  streams: StreamLedger[];
}

/** api.models.operations.LatencyStage */
export interface LatencyStage {
  stage: string;
  n: number;
  p50_s: number;
  p90_s: number;
  p99_s: number;
}

/** api.models.operations.Slo */
export interface Slo {
  window_minutes: number;
  stages: LatencyStage[];
}
