"""The one way by which single audit events go: the workspace's own setting says so."""

from django.db import migrations

RETIRE = """
create function rights_retire_audit(tenant uuid, before timestamptz, most integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  months integer;
  removed bigint;
begin
  select (keep ->> 'audit')::integer into months
    from public.rights_retention where tenant_id = tenant;
  if months is null or months < 6
    or before > now() + interval '1 minute' - make_interval(days => months * 31)
  then
    raise exception 'the workspace keeps its audit log longer than that' using errcode = '42501';
  end if;
  delete from public.tenants_auditevent where id = any (array(
    select e.id from public.tenants_auditevent e
    join public.trail_seal s on s.tenant_id = e.tenant_id and s.id = e.id
    where e.tenant_id = tenant and s.sealed_at < before order by s.seq limit most));
  get diagnostics removed = row_count;
  return removed;
end $$;
revoke all on function rights_retire_audit(uuid, timestamptz, integer) from public;
grant execute on function rights_retire_audit(uuid, timestamptz, integer) to modelyard_ops;
grant create on schema public to modelyard_definer;
alter function rights_retire_audit(uuid, timestamptz, integer) owner to modelyard_definer;
revoke create on schema public from modelyard_definer;
"""


class Migration(migrations.Migration):
    dependencies = [("rights", "0001_initial"), ("trail", "0001_initial")]

    operations = [
        migrations.RunSQL(RETIRE, "drop function rights_retire_audit(uuid, timestamptz, integer);")
    ]
