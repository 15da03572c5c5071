-- What a timestep writes a thousand times is checked against no other table: the transaction that writes
-- it has locked the stream, and deletes of sources and of streams delete these rows too (ADR 101).
alter table source_band
drop constraint source_band_source_id_fkey,
drop constraint source_band_band_id_fkey;
alter table null_detection
drop constraint null_detection_stream_id_fkey;
