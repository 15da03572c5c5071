-- Return the names that rules may use: reference catalogues and streams.
--
-- Index: both tables are scanned, a row a name.
select
    'catalogue' as kind,
    reference_catalogue.name
from reference_catalogue
union all
select
    'stream' as kind,
    stream.name
from stream
