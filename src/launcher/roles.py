"""The two roles of the development cluster, as SQL for psql. Safe to run again."""

from string import Template

OWNER = "relampago_owner"
APP = "relampago_app"
DATABASE = "relampago"

# The owner migrates. The application's role reads and writes rows: it may not create, drop or truncate, and it does
# not wait for ever. Passwords are hexadecimal, so they need no quoting.
SETUP = Template("""
ALTER ROLE $owner PASSWORD '$owner_password';
SELECT 'CREATE ROLE $app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$app') \\gexec
ALTER ROLE $app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '$app_password';
ALTER ROLE $app SET statement_timeout = '15s';
ALTER ROLE $app SET lock_timeout = '5s';
ALTER ROLE $app SET idle_in_transaction_session_timeout = '10s';
SELECT 'CREATE DATABASE $database' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$database') \\gexec
REVOKE ALL ON DATABASE $database, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE $database TO $app;
\\connect $database
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO $app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO $app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO $app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO $app;
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO $app;
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO $app;
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO $app;
""")


def development_setup(owner_password: str, app_password: str) -> str:
    return SETUP.substitute(
        owner=OWNER, app=APP, database=DATABASE, owner_password=owner_password, app_password=app_password
    )


def test_setup(owner: str, owner_password: str) -> str:
    return f"ALTER ROLE {owner} PASSWORD '{owner_password}';\n"
