-- Return the names of the reference catalogues.
select reference_catalogue.name
from reference_catalogue
order by reference_catalogue.name
