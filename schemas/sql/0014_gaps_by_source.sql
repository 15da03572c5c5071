-- The gaps of a source are read by the source.

create index on forced_gap (source_id, image_key);
