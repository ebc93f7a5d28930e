-- The login of the test suite, for development machines only; run after roles.sql, safe to repeat.
-- It makes its own databases and owns their tables; policies are forced, so they bite it as well.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'modelyard_test') THEN
    CREATE ROLE modelyard_test;
  END IF;
END
$$;

ALTER ROLE modelyard_test LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOBYPASSRLS;
GRANT modelyard_ops TO modelyard_test;
GRANT modelyard_definer TO modelyard_test WITH INHERIT FALSE, SET TRUE;

ALTER DEFAULT PRIVILEGES FOR ROLE modelyard_test IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO modelyard_web, modelyard_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE modelyard_test IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO modelyard_web, modelyard_ops;
