//! Configurations: their directives alone, and loaded as at start.

use std::path::Path;
use std::sync::Arc;

use config::{Loaded, load};
use gungraun::{library_benchmark, library_benchmark_group, main};
use lockgate_micro::conf::{Machine, map, options, servers};
use syntax::{Directive, Item, Parser, Source, Sources};

fn source(lines: usize) -> (Sources, Arc<Source>) {
    let mut sources = Sources::new();
    let source = sources.open(Path::new("/gate.conf"), &Machine::new(&servers(lines)), None).expect("a file");
    (sources, source)
}

#[library_benchmark(setup = source)]
#[bench::thousand_lines(1_000)]
#[bench::hundred_thousand_lines(100_000)]
fn parse((sources, source): (Sources, Arc<Source>)) -> (Sources, usize) {
    let mut parser = Parser::new(&source);
    let mut directive = Directive::default();
    let mut count = 0;
    while parser.next(&mut directive).expect("a directive") != Item::End {
        count += 1;
    }
    (sources, count)
}

fn machine_of_servers(lines: usize) -> Machine {
    Machine::new(&servers(lines))
}

fn machine_with_map(lines: usize) -> Machine {
    Machine::new(&map(lines))
}

#[library_benchmark]
#[bench::servers_thousand_lines(args = (1_000), setup = machine_of_servers)]
#[bench::servers_hundred_thousand_lines(args = (100_000), setup = machine_of_servers)]
#[bench::map_hundred_thousand_lines(args = (100_000), setup = machine_with_map)]
fn load_all(machine: Machine) -> (Machine, Loaded) {
    let loaded = load(&options(), &machine);
    assert!(loaded.config.is_ok(), "{:?}", loaded.config.err());
    (machine, loaded)
}

library_benchmark_group!(name = configurations, benchmarks = [parse, load_all]);
main!(library_benchmark_groups = configurations);
