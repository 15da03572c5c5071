-- Return the reference catalogues by name.
select
    reference_catalogue.name,
    reference_catalogue.n_sources,
    reference_catalogue.time_loaded
from reference_catalogue
order by reference_catalogue.name
