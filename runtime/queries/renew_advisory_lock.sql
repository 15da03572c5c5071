-- Use the connection that holds an advisory lock: the server ends an idle one.
select true as is_alive
