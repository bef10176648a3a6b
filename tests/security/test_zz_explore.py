import asyncio, sys, json, os, re
from pathlib import Path
import pytest
from sandbox.server import open_sandbox
from tests.security.target import open_target, providers

async def test_explore(tmp_path: Path) -> None:
    async with open_sandbox(tmp_path/"sa.json") as sandbox, open_target("fuzz_x", tmp_path, **providers(sandbox), CRONJOB_AUTH_KEY="k"*32) as target:
        for who in os.environ.get("WHO","staff,owner").split(","):
            cmd=[sys.executable,"-m","schemathesis.cli","run",target.url+"/api/schema/","--phases",os.environ.get("PHASES","coverage,fuzzing"),"-n",os.environ.get("N","3"),"--no-color","--report","json","--report-json-path",f"/tmp/s1/st-{who}.json","--exclude-checks","positive_data_acceptance,negative_data_rejection","--seed","1","--continue-on-failure","--generation-database","none","--warnings","off","--request-timeout","20","--suppress-health-check","all"]
            if os.environ.get("CHECKS"): cmd+=["--checks",os.environ["CHECKS"]]
            if os.environ.get("INC"): cmd+=["--include-operation-id-regex",os.environ["INC"]]
            cmd+=["--exclude-operation-id-regex","site_config_update|maintenance_toggle"]
            for k,v in target.headers(who).items(): cmd+=["-H",f"{k}: {v}"]
            with open(f"/tmp/s1/st-{who}.txt","wb") as out:
                p=await asyncio.create_subprocess_exec(*cmd,stdout=out,stderr=out,cwd=tmp_path)
                await p.wait()
        print(Path(target.logs[0]).read_text()[:3000])
