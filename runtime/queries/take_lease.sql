-- Record who holds a lock.
--
-- $1  name    text
-- $2  holder  uuid
insert into process_lease (name, holder, time_taken)
values ($1::text, $2::uuid, now())
on conflict (name) do update
    set
        holder = excluded.holder,
        time_taken = excluded.time_taken
