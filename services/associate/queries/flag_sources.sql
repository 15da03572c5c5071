-- Store which sources were announced, and their episodes.
--
-- $1  id              bigint[]
-- $2  is_new          boolean[]
-- $3  is_variable     boolean[]
-- $4  activity        smallint[]  [-]
-- $5  n_quiet         int[]       [-]
-- $6  n_quiet_needed  int[]       [-]
-- $7  n_episodes      int[]       [-]
-- Index: the primary key. Nothing that is written here is indexed, so updates stay HOT.
update source
set
    is_new = row_in.is_new,
    is_variable = row_in.is_variable,
    activity = row_in.activity,
    n_quiet = row_in.n_quiet,
    n_quiet_needed = row_in.n_quiet_needed,
    n_episodes = row_in.n_episodes
from
    unnest(
        $1::bigint[], $2::boolean[], $3::boolean[], $4::smallint[], $5::int[], $6::int[], $7::int[]
    )
        as row_in (id, is_new, is_variable, activity, n_quiet, n_quiet_needed, n_episodes)
where source.id = row_in.id
