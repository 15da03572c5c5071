-- Names of telescopes, which rules may compare with, are found without reading all images.

create index on image (telescope) where telescope is not null;
