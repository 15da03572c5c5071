-- Delete the requests of the timesteps of a stream but for the last ones, and return the sources that
-- wait in those timesteps.
--
-- $1  stream_id    int
-- $2  n_timesteps  int  that go on waiting [-]
-- Indexes: the primary key; waiting_request (stream_id, timestep_id).
with given_up as (
    select
        waiting_timestep.timestep_id,
        waiting_timestep.source_ids
    from waiting_timestep
    where waiting_timestep.stream_id = $1::int
    order by waiting_timestep.timestep_id desc
    offset $2::int
),

deleted as (
    delete from waiting_request
    where
        waiting_request.stream_id = $1
        and waiting_request.timestep_id <= (select max(given_up.timestep_id) from given_up)
)

select distinct waiting.source_ids
from given_up
cross join unnest(given_up.source_ids) as waiting (source_ids)
