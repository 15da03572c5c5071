-- Store what earlier images say of sources.
--
-- $1  source_id                  bigint[]
-- $2  verdict                    text[]
-- $3  n_look_back                int[]          [-]
-- $4  flux_previous_jy_beam      float8[]       [Jy/beam]
-- $5  flux_previous_err_jy_beam  float8[]       [Jy/beam]
-- $6  time_previous              timestamptz[]
-- Index: the primary key.
update look_back
set
    verdict = row_in.verdict,
    n_look_back = row_in.n_look_back,
    flux_previous_jy_beam = row_in.flux_previous_jy_beam,
    flux_previous_err_jy_beam = row_in.flux_previous_err_jy_beam,
    time_previous = row_in.time_previous
from
    unnest(
        $1::bigint[], $2::text[], $3::int[], $4::float8[], $5::float8[], $6::timestamptz[]
    )
        as row_in (
            source_id, verdict, n_look_back, flux_previous_jy_beam, flux_previous_err_jy_beam,
            time_previous
        )
where look_back.source_id = row_in.source_id
