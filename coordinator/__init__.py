"""A coordinator of workflows that live as YAML in git and are done by personas over Redis Streams.

The parts, in import order: each uses only parts above it. A test compares this map with the tree,
and another one holds every part to the table of who may import whom.

    core            PURE. What an event does to a run: decide, events, commands, state, expressions
    faults          named places where a test can kill the process
    definitions     PURE. YAML text to a checked, compiled definition, or all its faults with places
    config          one frozen `Settings`, read once: flag, environment, file, default
    ports           what the engine needs from the outside, each port with its promise
    plugin          the public classes of step types that do work of their own
    fields          texts from outside, bounded and checked when read
    large_results   results kept apart from their run, and the reference to them
    messages        what travels over the queues: fields of text, checked when read
    child_messages  what runs say to each other: begin, stop, how it ended
    simulation      PURE. `decide` in a loop on a virtual clock
    nearby          the personas and workflows in the folders around a file
    engine          the loops: settle events, fire timers, execute work; no driver is imported here
    redis_store     the ports on a Redis or Valkey server; the only importer of redis
    memory_store    the same ports inside one process
    gitx            the only place that runs git: typed arguments, fixed argv, clean environment
    gitops          definitions from the commits of a repository: fetch, compile, activate
    workers         the runtime of personas: prompts, replies, the serving loop, providers
    steps           (beside this package) one file per step type, and how it lowers to the core
    facade          `WorkflowCoordinator`: task routing and the older API on top of the engine
    telemetry       logs and metrics
    bus             a private server for `dev`, `demo`, `run --local` and the tests
    shipped         the workflows and personas that come with the program
    wiring          the only place where adapters meet the engine
    cli             the command line, one file per noun
    demo            the main job on a sample repository: a task goes in, a merged fix comes out
"""
