-- Return what a number or a name may mean, the likeliest kind first.
--
-- $1  number  bigint  key of a row; null: the text is no number
-- $2  text    text    name, digest or identity
-- $3  limit   int     of each kind
-- Indexes: primary keys; the unique ones on image (image_id), alert (ivorn), source_tag (tag, source_id);
-- alert (trig_id); transient and monitor are scanned.
with family as (
    select
        alert.id,
        alert.ivorn,
        alert.transient_id
    from alert
    where alert.id = $1::bigint or alert.ivorn = $2::text or alert.trig_id = $2
    order by alert.id desc
    limit $3::int
),

named_transient as (
    select
        transient.id,
        transient.trig_id,
        transient.kind
    from transient
    where
        transient.id = $1 or transient.trig_id = $2
        or transient.id in (select family.transient_id from family)
    order by transient.id desc
    limit $3
),

named_monitor as (
    select
        monitor.id,
        monitor.name,
        monitor.stream
    from monitor
    where monitor.id = $1 or lower(monitor.name) = lower($2)
    order by monitor.id desc
    limit $3
),

tagged_source as (
    select
        source_tag.source_id,
        source_tag.tag
    from source_tag
    where source_tag.tag = lower($2)
    order by source_tag.source_id desc
    limit $3
)

select
    'source' as kind,
    source.id::text as id,
    'source ' || source.id as label
from source
where source.id = $1
union all
select
    'transient' as kind,
    named_transient.id::text as id,
    named_transient.kind || ' ' || named_transient.trig_id as label
from named_transient
union all
select
    'alert' as kind,
    family.id::text as id,
    family.ivorn as label
from family
union all
select
    'image' as kind,
    image.image_key::text as id,
    image.image_id as label
from image
where image.image_key = $1 or image.image_id = lower($2)
union all
select
    'stream' as kind,
    stream.name as id,
    stream.name as label
from stream
where lower(stream.name) = lower($2)
union all
select
    'monitor' as kind,
    named_monitor.id::text as id,
    named_monitor.stream || ' ' || named_monitor.name as label
from named_monitor
union all
select
    'source' as kind,
    tagged_source.source_id::text as id,
    'tag ' || tagged_source.tag as label
from tagged_source
