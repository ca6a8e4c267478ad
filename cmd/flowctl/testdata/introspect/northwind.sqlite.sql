CREATE TABLE [Categories] (
  [CategoryID] INTEGER PRIMARY KEY AUTOINCREMENT,
  [CategoryName] TEXT,
  [Description] TEXT,
  [Picture] BLOB
);
CREATE TABLE [Suppliers] (
  [SupplierID] INTEGER PRIMARY KEY AUTOINCREMENT,
  [CompanyName] TEXT NOT NULL,
  [ContactName] TEXT,
  [Region] TEXT,
  [HomePage] TEXT
);
CREATE TABLE [Customers] (
  [CustomerID] TEXT NOT NULL,
  [CompanyName] TEXT NOT NULL,
  [ContactName] TEXT,
  [City] TEXT,
  [Phone] TEXT,
  PRIMARY KEY (`CustomerID`)
);
CREATE TABLE [Employees] (
  [EmployeeID] INTEGER PRIMARY KEY AUTOINCREMENT,
  [LastName] TEXT NOT NULL,
  [FirstName] TEXT NOT NULL,
  [BirthDate] DATE,
  [HireDate] DATE,
  [Photo] BLOB,
  [ReportsTo] INTEGER,
  FOREIGN KEY ([ReportsTo]) REFERENCES [Employees] ([EmployeeID]) ON DELETE NO ACTION ON UPDATE NO ACTION
);
CREATE TABLE [Regions] ([RegionID] INTEGER NOT NULL PRIMARY KEY, [RegionDescription] TEXT NOT NULL);
CREATE TABLE [Territories] (
  [TerritoryID] TEXT NOT NULL PRIMARY KEY,
  [TerritoryDescription] TEXT NOT NULL,
  [RegionID] INTEGER NOT NULL REFERENCES [Regions] ([RegionID])
);
CREATE TABLE [EmployeeTerritories] (
  [EmployeeID] INTEGER NOT NULL REFERENCES [Employees],
  [TerritoryID] TEXT NOT NULL REFERENCES [Territories],
  PRIMARY KEY ([EmployeeID], [TerritoryID])
);
CREATE TABLE [Products] (
  [ProductID] INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  [ProductName] TEXT NOT NULL,
  [SupplierID] INTEGER REFERENCES [Suppliers] ([SupplierID]),
  [CategoryID] INTEGER REFERENCES [Categories] ([CategoryID]) ON DELETE SET NULL,
  [QuantityPerUnit] TEXT,
  [UnitPrice] NUMERIC DEFAULT 0,
  [UnitsInStock] INTEGER DEFAULT 0,
  [Discontinued] TEXT NOT NULL DEFAULT '0',
  CHECK ([UnitPrice] >= 0)
);
CREATE TABLE [Orders] (
  [OrderID] INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  [CustomerID] TEXT REFERENCES [Customers] ([CustomerID]),
  [EmployeeID] INTEGER REFERENCES [Employees] ([EmployeeID]),
  [OrderDate] DATETIME,
  [Freight] NUMERIC DEFAULT 0,
  [ShipVia] TEXT CHECK ([ShipVia] IN ('road', 'rail', 'air'))
);
CREATE TABLE [Order Details] (
  [OrderID] INTEGER NOT NULL REFERENCES [Orders] ([OrderID]),
  [ProductID] INTEGER NOT NULL REFERENCES [Products] ([ProductID]),
  [UnitPrice] NUMERIC NOT NULL DEFAULT 0,
  [Quantity] INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY ([OrderID], [ProductID])
);
CREATE VIEW [Alphabetical list of products] AS SELECT * FROM Products;
CREATE INDEX [IX_Orders_Date] ON [Orders] ([OrderDate] DESC);
INSERT INTO [Categories] ([CategoryName]) VALUES ('Beverages');
