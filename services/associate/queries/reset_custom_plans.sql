-- Let the server choose again between plans for any values and plans for one's own.
set local plan_cache_mode = 'auto'
