-- The two roles of a Relámpago database, for psql 14 or newer, as a superuser; safe to run again.
-- The owner migrates. The application's role reads and writes rows: it may not create, drop or truncate, and it does
-- not wait for ever. Both passwords come from the environment; `make up` and compose.yaml run this file.
\set ON_ERROR_STOP on
\getenv owner_password POSTGRES_PASSWORD
\getenv app_password POSTGRES_APP_PASSWORD

ALTER ROLE relampago_owner PASSWORD :'owner_password';
SELECT 'CREATE ROLE relampago_app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'relampago_app') \gexec
ALTER ROLE relampago_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'app_password';
ALTER ROLE relampago_app SET statement_timeout = '15s';
ALTER ROLE relampago_app SET lock_timeout = '5s';
ALTER ROLE relampago_app SET idle_in_transaction_session_timeout = '10s';
-- Connections say so themselves, except behind a pooler that would refuse them for it.
ALTER ROLE relampago_app SET jit = off;

SELECT 'CREATE DATABASE relampago' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'relampago') \gexec
REVOKE ALL ON DATABASE relampago, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE relampago TO relampago_app;

\connect relampago
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO relampago_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO relampago_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO relampago_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO relampago_app;

-- And the same for what the owner's migrations will create.
ALTER DEFAULT PRIVILEGES FOR ROLE relampago_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO relampago_app;
ALTER DEFAULT PRIVILEGES FOR ROLE relampago_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO relampago_app;
ALTER DEFAULT PRIVILEGES FOR ROLE relampago_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO relampago_app;
