"""Specs for which the generated tests must pass: what a user may write, by name."""

TWENTY_GATEWAYS = "gateways:\n" + "".join(f"  - {{name: gw{n}, namespace: ai}}\n" for n in range(20))

SPECS = {
    "one gateway, one model, nothing else": "",
    "no budgets": "models: [{provider: openai, name: gpt, prices: [{input: 1, output: 10}]}]",
    "gateways of every version": """
        gateways:
          - {name: old, namespace: ai, version: "0.11"}
          - {name: one, namespace: ai, version: "1.3.1"}
          - {name: two, namespace: other, version: "1.4"}
          - {name: new, namespace: ai, version: "1.5"}
        models:
          - {provider: openai, name: gpt, prices: [{input: 1, output: 10, cache_read: 0.1}]}
          - {provider: anthropic, name: claude, prices: [{input: 3, output: 15, cache_read: 0.3, cache_write: 3.75}]}
          - {provider: gcp.vertex_ai, name: claude, prices: [{input: 3, output: 15}]}
          - {provider: gcp.vertex_ai, name: gemini, prices: [{input: 1.25, output: 10, cache_read: 0.125}]}
    """,
    "free models alone, and a budget that they never touch": """
        models: [{provider: ollama, name: llama, free: true}, {provider: ollama, name: mistral, free: true}]
        budgets: [{name: all, amount: 50, period: day}]
    """,
    "output that costs nothing": """
        models: [{provider: openai, name: embedding, prices: [{input: 0.02, output: 0}]}]
        budgets: [{name: all, amount: 50, period: day}]
    """,
    "twenty gateways": TWENTY_GATEWAYS + "budgets: [{name: all, amount: 50, period: day, match: {gateway: ai/gw7}}]",
    "a step of 30 s": "prometheus: {step: 30s}\nbudgets: [{name: all, amount: 50, period: day}]",
    "a step of 2 m": "prometheus: {step: 2m}\nbudgets: [{name: all, amount: 50, period: day}]",
    "the longest step and settling": "prometheus: {scrape_timeout: 30s, step: 3m, settle: 1m}",
    "scrapes every 15 s that settle at once": """
        prometheus: {scrape_interval: 15s, scrape_timeout: 5s, settle: 5s, step: 15s, gap: 10m}
        budgets: [{name: all, amount: 50, period: day}]
    """,
    "scrapes every 15 s that settle for two steps": """
        prometheus: {scrape_interval: 15s, step: 15s}
        attribution: [{label: team, expression: apiKey.team, limit: 2}]
    """,
    "a minute's step that settles for three": """
        prometheus: {step: 1m, settle: 3m, keep_labels: [cluster]}
        attribution: [{label: team, expression: apiKey.team, limit: 1}, {label: user, expression: jwt.sub}]
    """,
    "a ServiceMonitor": """
        gateways: [{name: gw, namespace: ai, monitor: ServiceMonitor}, {name: other, namespace: ai}]
        budgets: [{name: all, amount: 50, period: week}]
    """,
    "a job of the user's own for two gateways": """
        gateways:
          - {name: gw, namespace: ai, monitor: none, job: proxies}
          - {name: other, namespace: ai, monitor: none, job: proxies}
        budgets: [{name: all, amount: 50, period: month}]
    """,
    "attribution, kept labels and budgets of teams": """
        prometheus: {keep_labels: [cluster, region]}
        attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]
        budgets:
          - {name: search, amount: 5, period: day, match: {team: search}}
          - {name: ads, amount: 7, period: 24h, match: {team: ads, agent: crawler}, labels: {pager: ads}}
          - {name: all, amount: 6, period: month}
    """,
    "a zone of odd minutes": """
        prometheus: {timezone: Asia/Kathmandu}
        budgets: [{name: all, amount: 50, period: month}]
    """,
    "prices that change": """
        prometheus: {timezone: America/New_York}
        models:
          - provider: openai
            name: gpt
            aliases: [gpt-2024, gpt-2025]
            prices:
              - {input: 1, output: 10}
              - {from: 2025-01-01, input: 2, output: 10}
              - {from: 2026-01-01, input: 1, output: 9}
        budgets: [{name: all, amount: 50, period: day}]
    """,
    "names that need quoting": """
        models:
          - provider: openai
            name: 'say "x" \\ or {{ $value }}'
            aliases: ["a|b", "a.*", "\\u00e9\\u2603", "%s"]
            prices: [{input: 1, output: 10}]
        attribution: [{label: team, expression: apiKey.team}]
        budgets: [{name: 'the "best" \\ {{ budget }}', amount: 5, period: day, match: {team: 'r&d "x"'}}]
    """,
    "long contexts": """
        gateways: [{name: old, namespace: ai, version: "1.3"}, {name: gw, namespace: ai}]
        models:
          - provider: openai
            name: gpt
            prices: [{input: 1, output: 10, tiers: [{context_over: 200000, input: 2, output: 15}]}]
          - provider: anthropic
            name: claude
            aliases: [claude-2026]
            prices:
              - input: 3
                output: 15
                cache_read: 0.3
                tiers: [{context_over: 1000, output: 20}, {context_over: 500000, input: 6, output: 22.5}]
              - {from: 2026-03-01, input: 3, output: 15, cache_read: 0.3}
        budgets: [{name: all, amount: 50, period: day}]
    """,
    "a provider of two names, and gateways that are told to count as before": """
        gateways:
          - {name: old, namespace: ai, version: "1.1"}
          - {name: gw, namespace: ai, legacy_token_semantics: true}
          - {name: new, namespace: ai}
        models:
          - {provider: azure.openai, name: gpt, prices: [{input: 1, output: 10, cache_read: 0.1}]}
          - {provider: anthropic, name: claude, prices: [{input: 3, output: 15, cache_read: 0.3}]}
        budgets: [{name: all, amount: 50, period: day, match: {provider: azure.openai}}]
    """,
    "few names": """
        attribution:
          - {label: team, expression: apiKey.team, limit: 1}
          - {label: agent, expression: request.agent, limit: 3}
    """,
    "budgets that overlap": """
        models:
          - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
          - {provider: azure, name: gpt, prices: [{input: 1, output: 10}]}
        budgets:
          - {name: all, amount: 10, period: day, alert_at: {50: info, 100: critical}}
          - {name: azure, amount: 10, period: week, match: {provider: azure}, alert_at: {33.3: warning, 99.999: none}}
          - {name: gpt, amount: 20, period: month, match: {model: gpt}}
          - {name: tiny, amount: 0.000001, period: 1h}
    """,
    "budgets of every shape": """
        prometheus: {timezone: Atlantic/Cape_Verde}
        gateways: [{name: gw, namespace: ai}, {name: other, namespace: ai}]
        attribution: [{label: team, expression: apiKey.team, limit: 1}, {label: agent, expression: request.agent}]
        budgets:
          - {name: all, amount: 50, period: week, alert_at: {33.3: info, 99.999: none}, labels: {slack: "#all"}}
          - {name: pair, amount: 50, period: month, match: {gateway: [ai/gw, ai/other], team: [search, ads]}}
          - {name: glob, amount: 50, period: day, match: {model: "g*"}}
          - {name: 24 hours, amount: 9, period: 24h, match: {agent: crawler}}
          - name: team
            amount: 100
            per: team
            period: month
            overrides: {search: 2500, research: {amount: 4000, alert_at: {90: critical}, labels: {slack: "#research"}}}
          - {name: gateway, amount: 1.5, per: gateway, period: day, match: {team: search}}
          - {name: agent, amount: 3, per: agent, period: 7d}
    """,
}
