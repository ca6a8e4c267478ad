CREATE TABLE categories (
  category_id smallint NOT NULL PRIMARY KEY,
  category_name character varying(15) NOT NULL,
  description text,
  picture bytea
);
CREATE TABLE customers (
  customer_id character varying(5) NOT NULL PRIMARY KEY,
  company_name character varying(40) NOT NULL,
  contact_title character varying(30)
);
CREATE TABLE employees (
  employee_id smallint NOT NULL PRIMARY KEY,
  last_name character varying(20) NOT NULL,
  birth_date date,
  reports_to smallint REFERENCES employees
);
CREATE TABLE customer_demographics (customer_type_id character(10) NOT NULL PRIMARY KEY, customer_desc text);
CREATE TABLE orders (
  order_id smallint NOT NULL PRIMARY KEY,
  customer_id character varying(5) REFERENCES customers,
  employee_id smallint REFERENCES employees,
  order_date date,
  freight real,
  ship_via character varying(10) CHECK (ship_via IN ('road', 'rail', 'air'))
);
CREATE TABLE products (
  product_id smallint NOT NULL PRIMARY KEY,
  product_name character varying(40) NOT NULL,
  category_id smallint REFERENCES categories ON DELETE SET NULL,
  unit_price real,
  discontinued integer NOT NULL
);
CREATE TABLE order_details (
  order_id smallint NOT NULL REFERENCES orders,
  product_id smallint NOT NULL REFERENCES products,
  unit_price real NOT NULL,
  quantity smallint NOT NULL,
  PRIMARY KEY (order_id, product_id)
);
INSERT INTO categories VALUES (1, 'Beverages', NULL, '');
