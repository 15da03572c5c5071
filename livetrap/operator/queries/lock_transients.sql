-- Lock the transients of a name or an image, and return their last events.
--
-- $1  name      text  ivorn or trig_id of an alert, or number of a transient
-- $2  image_id  text  sha256: transients that this image created
-- One of the two is null. Indexes: alert (ivorn), transient (image_key), source_event (transient_id).
select
    transient.id,
    transient.trig_id,
    transient.state,
    last_event.event::text as event
from transient
cross join
    lateral (
        select source_event.event
        from source_event
        where source_event.transient_id = transient.id
        order by source_event.id desc
        limit 1
    ) as last_event
where
    transient.id::text = $1::text
    or transient.trig_id = $1
    or transient.id in (
        select alert.transient_id from alert
        where alert.ivorn = $1
    )
    or transient.image_key in (
        select image.image_key from image
        where image.image_id = $2::text
    )
order by transient.id
for update of transient
