-- Record who holds a lock.
--
-- $1  name    text
-- $2  holder  uuid
insert into process_lease (name, holder, time_taken, session_epoch)
values ($1::text, $2::uuid, now(), session_epoch())
on conflict (name) do update
    set
        holder = excluded.holder,
        time_taken = excluded.time_taken,
        session_epoch = excluded.session_epoch
