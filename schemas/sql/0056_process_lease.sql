-- Who held a lock last: whoever takes it after a restart of the server waits for what that one sent.

create table process_lease (
    name text primary key,
    holder uuid,
    time_taken timestamptz not null
);
comment on table process_lease is 'Which process held a lock of the database last';
comment on column process_lease.name is 'Name of the lock';
comment on column process_lease.holder is
'Process that held it last, a random number of its own; null: it gave it back [-]';
comment on column process_lease.time_taken is 'When it took the lock [UTC]';
