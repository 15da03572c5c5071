-- Return one row if the schema exists; the readiness probe runs it.
select
    exists(select from image) as has_images,
    exists(select from alert) as has_alerts
