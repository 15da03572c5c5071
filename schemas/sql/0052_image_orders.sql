-- Lists of images by noise and by number of sources are read by index, at a million images too.

create index on image (rms_jy_beam, image_key);
create index on image ((n_sources::float8), image_key);
