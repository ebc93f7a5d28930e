-- Roles, their passwords and the platform's database: what PostgreSQL runs at its first start.
-- psql, as a superuser; safe to repeat, which is also how a password is changed (docs/deploy.md).
-- Passwords come from the environment, so that none is in a command line.
\set ON_ERROR_STOP on
\getenv roles ROLES_SQL
\getenv owner_password OWNER_DB_PASSWORD
\getenv web_password WEB_DB_PASSWORD
\getenv ops_password OPS_DB_PASSWORD

-- New databases copy template1, default privileges included.
\connect template1
\i :roles

ALTER ROLE modelyard_owner PASSWORD :'owner_password';
ALTER ROLE modelyard_web PASSWORD :'web_password';
ALTER ROLE modelyard_ops_login PASSWORD :'ops_password';

\connect postgres
SELECT 'CREATE DATABASE modelyard OWNER modelyard_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'modelyard') \gexec

\connect modelyard
\i :roles
