-- Return one row if the schema is there: readiness asks for it.
select
    exists(select from image) as has_images,
    exists(select from alert) as has_alerts
