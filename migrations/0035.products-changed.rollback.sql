DROP INDEX products.products_by_change;
