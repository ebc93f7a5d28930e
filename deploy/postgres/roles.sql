-- The database roles of Modelyard and what each may do in the current database.
-- Run as a superuser in every database of the platform; safe to repeat. Passwords are set apart:
-- ALTER ROLE modelyard_owner|modelyard_web|modelyard_ops_login PASSWORD '...'.
--
--   modelyard_owner      owns the database and its tables; runs migrations, nothing else
--   modelyard_web        web and workers: reads and writes rows, under row-level security
--   modelyard_ops        cannot log in; passes row-level security, for ops_scope() only
--   modelyard_ops_login  staff console and scheduler: may become modelyard_ops
--   modelyard_definer    cannot log in; owns the few functions that may do what no login may
--                        (delete the audit and ledger rows of a workspace whose deletion is due)

DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY
    ARRAY['modelyard_owner', 'modelyard_web', 'modelyard_ops', 'modelyard_ops_login',
          'modelyard_definer']
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I', role_name);
    END IF;
  END LOOP;
END
$$;

ALTER ROLE modelyard_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
ALTER ROLE modelyard_web LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
ALTER ROLE modelyard_ops NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS;
ALTER ROLE modelyard_ops_login LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
ALTER ROLE modelyard_definer NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS;

-- A failed statement of theirs is not written to the server's log, where it would stand with the
-- customers' rows in it: the platform's own log says what failed, without them.
ALTER ROLE modelyard_web SET log_min_messages = fatal;
ALTER ROLE modelyard_ops_login SET log_min_messages = fatal;

-- The attribute BYPASSRLS is never inherited: the login passes policies only after SET ROLE.
GRANT modelyard_ops TO modelyard_ops_login;

-- Migrations hand functions over to it; nothing of what it may do is inherited.
GRANT modelyard_definer TO modelyard_owner WITH INHERIT FALSE, SET TRUE;

GRANT USAGE ON SCHEMA public TO modelyard_web, modelyard_ops;

-- Tables made from now on; a migration takes back what a table must not allow (an audit log).
ALTER DEFAULT PRIVILEGES FOR ROLE modelyard_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO modelyard_web, modelyard_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE modelyard_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO modelyard_web, modelyard_ops;
