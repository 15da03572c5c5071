-- Store the largest flux of episodes that are going on.
--
-- $1  source_id              bigint[]
-- $2  flux_peak_max_jy_beam  float8[]     [Jy/beam]
-- $3  time_peak              timestamptz  start of the exposure
-- Index: the unique one on transient (source_id, episode).
update transient
set
    flux_peak_max_jy_beam = row_in.flux_peak_max_jy_beam,
    time_peak = $3::timestamptz
from unnest($1::bigint[], $2::float8[]) as row_in (source_id, flux_peak_max_jy_beam)
where
    transient.source_id = row_in.source_id
    and transient.time_end is null
    and coalesce(transient.flux_peak_max_jy_beam, transient.flux_peak_jy_beam) < row_in.flux_peak_max_jy_beam
