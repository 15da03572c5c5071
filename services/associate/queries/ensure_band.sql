-- Return the id of a band, which is created if it is new.
--
-- $1  stream_id    int
-- $2  freq_eff_hz  float8  [Hz]
-- $3  freq_bw_hz   float8  [Hz]
-- Index: the unique one on (stream_id, freq_eff_hz, freq_bw_hz).
insert into band (stream_id, freq_eff_hz, freq_bw_hz)
values ($1::int, $2::float8, $3::float8)
on conflict (stream_id, freq_eff_hz, freq_bw_hz) do update set freq_bw_hz = excluded.freq_bw_hz
returning band.id
