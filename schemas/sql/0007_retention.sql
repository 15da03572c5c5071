-- Old entries of the ledger are found by their time; they come in its order.

create index on image_ledger using brin (time_recorded);
