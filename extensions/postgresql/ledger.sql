-- Copyright (c) 2026, steward.proxmox contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Makes a ledger in a PostgreSQL database (13 or newer), once; docs/ledger-postgresql.md says more:
--   psql -d steward -f ledger.sql
-- Other names for its roles, which may be there already:
--   psql -d steward -v owner=ops -v writer=awx -v reader=audit -f ledger.sql

\set ON_ERROR_STOP on
\if :{?owner}
\else
    \set owner steward_ledger_owner
\endif
\if :{?writer}
\else
    \set writer steward_ledger_writer
\endif
\if :{?reader}
\else
    \set reader steward_ledger_reader
\endif

begin;

select format('create role %I nologin', wanted)
from unnest(array[:'owner', :'writer', :'reader']) as wanted
where not exists (select from pg_roles where rolname = wanted) \gexec

-- whoever runs this and is no superuser has to be a member of the owner to make what is to belong to it
select format('grant %I to current_user', :'owner') where not pg_has_role(:'owner', 'member') \gexec

create schema steward_ledger authorization :"owner";
set local role :"owner";
set local search_path = steward_ledger;

-- One row: the name that every frame of this ledger carries.
create table ledger (
    single boolean primary key default true check (single),
    ledger_id text not null default replace(gen_random_uuid()::text, '-', '')
);
insert into ledger default values;

-- The runs, and the log of the ledger. An adopted run has the id of the ledger that it was written to.
create table runs (
    run_id text primary key check (run_id ~ '^([0-9a-f]{32}|log)$'),
    ledger_id text not null check (ledger_id ~ '^[0-9a-f]{32}$'),
    began text not null check (began ~ '^\d{8}T\d{6}Z$')
);
insert into runs (run_id, ledger_id, began)
select 'log', ledger_id, to_char(now() at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') from ledger;

-- Lines as a file would hold them, byte by byte: <64 hexadecimal digits> <JSON>\n
create table frames (
    run_id text references runs on delete cascade,
    seq bigint check (seq > 0),
    line bytea not null check (length(line) <= 64 + 1 + 1048576 + 1),
    primary key (run_id, seq)
);

-- Signed notes in the order in which they were made.
create table checkpoints (
    number bigint generated always as identity primary key,
    note bytea not null
);

-- Whoever may insert could still leave gaps, or go on after a run's end. So a frame is taken only where it follows
-- the one before it. This keeps the ledger in order; it proves nothing, for the owner of the table can switch it off.
create function follows() returns trigger language plpgsql set search_path = pg_catalog as $$
declare
    ledger_id text := (select runs.ledger_id from steward_ledger.runs where run_id = new.run_id);
    before bytea := (select line from steward_ledger.frames where run_id = new.run_id and seq = new.seq - 1);
    beginning text := '{"v":1,"ledger_id":"%s","run_id":"%s","seq":%s,"ts":"';
    start_before text := format(beginning, ledger_id, new.run_id, new.seq - 1);
    start text := format(beginning, ledger_id, new.run_id, new.seq);
    body bytea := substring(new.line from 66 for greatest(length(new.line) - 66, 0));
    head bytea;
begin
    if new.seq = 1 then
        head := sha256(convert_to(new.run_id || ledger_id, 'UTF8'));
    elsif before is null then
        raise check_violation using message = format('record %s of run %s has none before it', new.seq, new.run_id);
    -- the time has 27 characters
    elsif substring(before from 66 + length(start_before) + 27 for 20) = '","type":"run_close"'::bytea then
        raise check_violation using message = format('run %s is closed', new.run_id);
    else
        head := decode(encode(substring(before for 64), 'escape'), 'hex');
    end if;
    head := sha256('\x00'::bytea || head || sha256(body));
    if substring(body for length(start)) <> convert_to(start, 'UTF8') or position('\x0a'::bytea in body) > 0
        or new.line <> convert_to(encode(head, 'hex') || ' ', 'UTF8') || body || '\x0a'::bytea
    then
        raise check_violation using message = format('record %s of run %s does not follow', new.seq, new.run_id);
    end if;
    return new;
end
$$;
create trigger follows before insert on frames for each row execute function follows();

-- For people: select record->>'ts', record->'plan'->>'summary' from steward_ledger.records where record->>'type' = 'intent';
create view records as
select run_id, seq, convert_from(substring(line from 66), 'UTF8')::json as record from frames;

grant usage on schema steward_ledger to :"writer", :"reader";
grant select on all tables in schema steward_ledger to :"writer", :"reader";
grant insert on runs, frames, checkpoints to :"writer";

commit;
