//! The zoo: every kind of value, key, name and index arrives.

use crate::comparison::Comparison;
use crate::environment::Environment;
use liteferry::sample::ZOO_SQL;

#[test]
fn every_value_of_the_zoo_arrives() {
    let env = Environment::new();
    env.sqlite(ZOO_SQL);
    env.run(&[]).expect(0);
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert!(compared.tables > 20, "{compared:?}");
}
