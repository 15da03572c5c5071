-- Return the age of the newest image, how long it was on its way, and the age of the newest alert;
-- null where there is none.
select
    (
        select extract(epoch from now() - image.time_associated)::float8
        from image
        order by image.image_key desc
        limit 1
    ) as last_image_age_s,
    (
        select extract(epoch from image.time_associated - image.time_appended)::float8
        from image
        order by image.image_key desc
        limit 1
    ) as last_image_wait_s,
    (
        select extract(epoch from now() - alert.time_alert)::float8
        from alert
        order by alert.id desc
        limit 1
    ) as last_alert_age_s
