-- See nothing but the views of the Virtual Observatory, until the end of the transaction.
select set_config('role', 'livetrap_tap', true) as role
