-- Store what earlier images say of a source.
--
-- $1  source_id                  bigint
-- $2  verdict                    text
-- $3  n_look_back                int          [-]
-- $4  flux_previous_jy_beam      float8       [Jy/beam]
-- $5  flux_previous_err_jy_beam  float8       [Jy/beam]
-- $6  time_previous              timestamptz
-- Index: the primary key.
update look_back
set
    verdict = $2::text,
    n_look_back = $3::int,
    flux_previous_jy_beam = $4::float8,
    flux_previous_err_jy_beam = $5::float8,
    time_previous = $6::timestamptz
where look_back.source_id = $1::bigint
