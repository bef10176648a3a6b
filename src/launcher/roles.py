"""The two roles of the development cluster, as SQL for psql. Safe to run again."""

OWNER = "relampago_owner"
APP = "relampago_app"
DATABASE = "relampago"

# The owner migrates. The application's role reads and writes rows: it may not create, drop or truncate, and it does
# not wait for ever. Passwords are hexadecimal, so they need no quoting.
SETUP = f"""
ALTER ROLE {OWNER} PASSWORD '{{owner_password}}';
SELECT 'CREATE ROLE {APP}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP}') \\gexec
ALTER ROLE {APP} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{{app_password}}';
ALTER ROLE {APP} SET statement_timeout = '15s';
ALTER ROLE {APP} SET lock_timeout = '5s';
ALTER ROLE {APP} SET idle_in_transaction_session_timeout = '10s';
SELECT 'CREATE DATABASE {DATABASE}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
REVOKE ALL ON DATABASE {DATABASE}, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO {APP};
\\connect {DATABASE}
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {APP};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {APP};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {APP};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {APP};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {APP};
"""


def development_setup(owner_password: str, app_password: str) -> str:
    return SETUP.format(owner_password=owner_password, app_password=app_password)


def test_setup(owner: str, owner_password: str) -> str:
    return f"ALTER ROLE {owner} PASSWORD '{owner_password}';\n"
