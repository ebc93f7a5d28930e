-- In every database of the test session: take all rows away after a test whose transactions were
-- real. TRUNCATE makes two new files for each table and index, and Django's flush fills anew what
-- `migrate` filled: both cost more than most tests. As the superuser, past policies and triggers.

CREATE SCHEMA tests;
GRANT USAGE ON SCHEMA tests TO modelyard_test;

CREATE FUNCTION tests.empty_tables() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET session_replication_role = replica
SET search_path = pg_catalog
AS $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT oid::regclass AS name, pg_relation_size(oid) AS bytes
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
      AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
  LOOP
    IF found.bytes < 2000000 THEN
      EXECUTE format('DELETE FROM %s', found.name);
    ELSE
      EXECUTE format('TRUNCATE %s CASCADE', found.name);
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON FUNCTION tests.empty_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tests.empty_tables() TO modelyard_test;
