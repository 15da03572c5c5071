-- How the positions and fluxes of each image compare with the running catalogue.

alter table image
add column shift_status text check (shift_status in ('solved', 'too_few_sources', 'no_match')),
add column n_shift_sources int not null default 0,
add column shift_east_arcsec float8,
add column shift_north_arcsec float8,
add column shift_err_arcsec float8,
add column is_shift_applied boolean not null default false,
add column flux_status text check (flux_status in ('solved', 'too_few_sources', 'scattered')),
add column n_flux_sources int not null default 0,
add column flux_factor float8,
add column flux_factor_err float8,
add column is_flux_factor_applied boolean not null default false;
comment on column image.shift_status is
'Whether its positions were compared with the running catalogue: solved, too_few_sources or no_match';
comment on column image.n_shift_sources is 'Catalogue sources that its shift rests on [-]';
comment on column image.shift_east_arcsec is
'Positions in the image minus those of the running catalogue, to the east at the centre [arcsec]';
comment on column image.shift_north_arcsec is
'Positions in the image minus those of the running catalogue, to the north at the centre [arcsec]';
comment on column image.shift_err_arcsec is 'Error of the shift per axis, 1 sigma [arcsec]';
comment on column image.is_shift_applied is 'Whether the shift was subtracted from its positions';
comment on column image.flux_status is
'Whether its fluxes were compared with the running catalogue: solved, too_few_sources or scattered';
comment on column image.n_flux_sources is 'Catalogue sources that its flux factor rests on [-]';
comment on column image.flux_factor is 'Fluxes in the image over those of the running catalogue [-]';
comment on column image.flux_factor_err is 'Error of the flux factor, 1 sigma [-]';
comment on column image.is_flux_factor_applied is
'Whether its fluxes, their errors and its rms were divided by the flux factor';
