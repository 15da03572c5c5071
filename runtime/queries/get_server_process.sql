-- Return the process of the server that this statement came to; a pooler may change it.
select pg_backend_pid() as pid
