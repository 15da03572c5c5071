-- Names of alerts follow from their identity; versions before this one count them here.
comment on table event_name is
'How many families of alerts had a name of a year, when names were counted';
