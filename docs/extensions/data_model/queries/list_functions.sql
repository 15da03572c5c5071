-- List the functions with their arguments, results and comments.
select
    proname::text as name,
    pg_get_function_arguments(oid) as arguments,
    pg_get_function_result(oid) as result,
    obj_description(oid, 'pg_proc') as comment
from pg_proc
where pronamespace = 'public'::regnamespace
order by proname
