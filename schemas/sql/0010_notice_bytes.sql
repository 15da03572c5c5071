-- Notices keep their bytes: jsonb has an order of keys and a spelling of numbers of its own.

alter table alert alter column notice type json using notice::text::json;
comment on column alert.notice is 'GCN-style notice, byte for byte as it is sent';
