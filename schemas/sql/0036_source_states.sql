-- The running catalogue says of each source what it is: a candidate, confirmed, or dormant.

alter table source
add column is_dormant boolean not null default false;
comment on column source.is_dormant is
'As many looks at its place as forced photometry follows have not detected it; it is measured no more';

create function source_state(known source)
returns text
language sql stable
as $$
select
    case
        when known.zone = 32767 then 'monitored'
        when known.is_dormant then 'dormant'
        when known.n_datapoints - known.n_forced > 1 or known.is_new or known.is_variable then 'confirmed'
        else 'candidate'
    end
$$;
comment on function source_state is
'State of a source: candidate (seen once, never announced), confirmed, dormant, or monitored';
