-- Return a page of frequency bands with the channels that their streams send, by id.
--
-- $1  stream    text
-- $2  after_id  int   last of the previous page
-- $3  limit     int   [-]
-- Null leaves a condition out.
-- Index: the primary keys.
select
    band.id,
    stream.name as stream,
    band.freq_eff_hz,
    band.freq_bw_hz,
    coalesce(channel.stokes, '{}') as stokes,
    channel.last_time_start
from band
inner join stream on band.stream_id = stream.id
cross join
    lateral (
        select
            array_agg(expected_channel.stokes order by expected_channel.stokes) as stokes,
            max(expected_channel.last_time_start) as last_time_start
        from expected_channel
        where expected_channel.band_id = band.id
    ) as channel
where
    ($1::text is null or stream.name = $1)
    and ($2::int is null or band.id > $2)
order by band.id
limit $3::int
