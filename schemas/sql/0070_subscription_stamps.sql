-- Stamps in what the webhook of a subscription gets.

alter table subscription add column stamps boolean not null default false
check (not stamps or channel = 'webhook');
comment on column subscription.stamps is
'Whether its notices carry the stamps that are there by then as pictures';
