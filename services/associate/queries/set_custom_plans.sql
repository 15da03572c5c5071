-- Plan the next statements for their own values, until the transaction ends or this is set again.
set local plan_cache_mode = 'force_custom_plan'
