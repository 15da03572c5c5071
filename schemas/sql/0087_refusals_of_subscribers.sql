-- Only a run of refusals disables a subscriber: failures, as of one that is away, are not among them.

alter table subscriber add column n_refusals int not null default 0;
comment on column subscriber.n_failures is
'Attempts without a delivery since the last one, refused ones among them [-]';
comment on column subscriber.n_refusals is
'Refusals without a delivery since the last one, whatever failed between them [-]';
